// What tab.js uses and does not declare.

/** Put in front of the parts by prologue.py. */
declare const settings: {
  /** Key of the plugin's messages on a tab's port. */
  mark: string;
  countsMessages: boolean;
  virtualClock: boolean;
  /** Begins the paths of the gateway that belong to the plugin. */
  ownPrefix: string;
  /** Of a worker's sockets only. */
  socketParameter?: undefined;
  /** Whether workers of blob: and data: URLs get a prologue. */
  wrapsInlineWorkers: boolean;
};
