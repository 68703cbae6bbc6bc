/** Numbers of <linux/io_uring.h> (checked against Linux 6.1 and 6.18) that the ring engine uses. */
export const OP_POLL_ADD = 6;
export const OP_SENDMSG = 9;
export const OP_RECVMSG = 10;
export const OP_ACCEPT = 13;
export const OP_ASYNC_CANCEL = 14;
export const OP_CONNECT = 16;
export const OP_CLOSE = 19;
export const OP_SEND = 26;
export const OP_RECV = 27;

/** sqe.flags */
export const SQE_BUFFER_SELECT = 1 << 5;
export const SQE_CQE_SKIP_SUCCESS = 1 << 6;
/** sqe.ioprio of accept and of receives */
export const ACCEPT_MULTISHOT = 1;
export const RECV_MULTISHOT = 2;
/** cqe.flags */
export const CQE_BUFFER = 1;
export const CQE_MORE = 2;

/** io_uring_setup */
export const SETUP_CQSIZE = 1 << 3;
export const SETUP_SUBMIT_ALL = 1 << 7;
export const SETUP_COOP_TASKRUN = 1 << 8;
export const SETUP_SINGLE_ISSUER = 1 << 12;
export const SETUP_DEFER_TASKRUN = 1 << 13;
export const FEAT_NODROP = 1 << 1;
export const FEAT_SUBMIT_STABLE = 1 << 2;
export const FEAT_EXT_ARG = 1 << 8;
export const FEAT_CQE_SKIP = 1 << 11;
export const FEAT_MIN_TIMEOUT = 1 << 15;

/** Word of the submission ring's flags: the kernel keeps completions that found no room. */
export const SQ_CQ_OVERFLOW = 1 << 1;

/** io_uring_enter */
export const ENTER_GETEVENTS = 1;
export const ENTER_EXT_ARG = 8;
export const ENTER_ABS_TIMER = 1 << 5;

/** io_uring_register */
export const REGISTER_PBUF_RING = 22;
export const REGISTER_CLOCK = 29;

export const OFF_SQ_RING = 0;
export const OFF_SQES = 0x10000000;

export const SYS_IO_URING_SETUP = 425;
export const SYS_IO_URING_ENTER = 426;
export const SYS_IO_URING_REGISTER = 427;

export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
