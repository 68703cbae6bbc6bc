/** Burns one CPU until killed, or for the seconds given: the load beside which deadlines must hold.  burner.ts [SECONDS] */
const until = performance.now() + Number(process.argv[2] ?? Number.POSITIVE_INFINITY) * 1000;
console.log("burning");
while (performance.now() < until);
