/** Of the whole product; equal to package.json (a test holds them together), so that a bundle needs no file at run time. */
export const VERSION = "0.1.0";
