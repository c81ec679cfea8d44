// What the parts of a worker's prologue use and none of them declares. The parts are scripts, which share
// one scope: `control`, `work` and the like are visible to the parts behind them, here as in the prologue.

/** Put in front of the parts by prologue.py. */
declare const settings: {
  /** Of the control server. */
  port: number;
  /** The registry that the worker belongs to. */
  token: string;
  /** Begins the paths of the gateway that belong to the plugin. */
  ownPrefix: string;
  /** Key of the plugin's messages on a tab's port. */
  mark: string;
  /** Last parameter in the URL of a WebSocket; the gateway takes it out. */
  socketParameter: string;
  virtualClock: boolean;
  /** Of the gateway. */
  origin: string;
  /** The blob: or data: URL that the page gave; null for a script of the gateway. */
  inlineUrl: string | null;
  /** Whether requests to all other origins come to the gateway, too. */
  hasProxy: boolean;
  /** Whether a worker that closes itself says so by its socket, which the browser leaves open. */
  endsAtClose: boolean;
};

/** Put in front of the parts by prologue.py. `evaluate` is that of a module worker, set when its text runs. */
declare const scope: { evaluate?: (text: string) => unknown };

declare function close(): void;
declare var name: string;
declare function reportError(error: unknown): void;
