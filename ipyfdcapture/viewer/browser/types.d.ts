/** What the kernel and the browser say to each other: see rows.py, requests.py and session.py. */

export type Run = [text: string, flags: number, foreground: number, background: number];
/** Bytes that are left out are below 0 where no more of the line can be shown. */
export type Row = [
  number: number,
  source: number,
  time_us: number,
  level: number,
  content: string | Run[],
  left_out: number,
];

export interface Pattern {
  text: string;
  regex: boolean;
  case: boolean;
}

/** Bytes over time; in seconds since the start of the log. */
export interface Timeline {
  start: number;
  seconds: number;
  bytes: number[];
}

export interface Found {
  /** Of the lines that are shown, and of those that are hidden. */
  count: number;
  hidden: number;
  looked: number;
  is_done: boolean;
  slow: number;
  error: string;
}

export interface Status {
  generation: number;
  lines: number;
  shown: number;
  is_complete: boolean;
  state: string;
  phrases: string[];
  levels: number[];
  scanned: number;
  found: Found | null;
  timeline: Timeline | null;
  problems: string[];
  start?: number;
  rows?: Row[];
  sources?: [name: string, is_stderr: boolean][];
  started?: number;
  search?: Pattern | null;
  level?: string | null;
}

export interface Request {
  do: string;
  [name: string]: any;
}

/** What answers requests: the kernel (comm.js), or the page that holds the log (local.js). */
export interface Source {
  ask(request: Request): Promise<any>;
  listen(take: (status: any) => void): void;
  /** Return where a row has what is searched for, as far as that is known. */
  spansOf(row: Row, pattern: Pattern): number[][];
  close(): void;
}

export interface Options {
  /** Of the lines, in pixels. */
  height: number;
  /** Called once there is something to see. */
  alive?: () => void;
  showStatic?: () => void;
}

/** A widget's model, as anywidget gives it. */
export interface Model {
  get(name: string): any;
  send(content: any): void;
  on(name: string, take: (content: any) => void): void;
  off(name: string, take: (content: any) => void): void;
}
