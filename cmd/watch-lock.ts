/** Only one watcher of a node may push rules. Do not rename: an old one and its successor must exclude each other. */
export const WATCH_LOCK = "cni-outbound-watch";
