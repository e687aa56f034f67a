/** How much of a list a page shows: a page is read by a person, and made while the watcher has other things to do. */
export const ATTACHMENTS_A_PAGE = 50;
export const PROBLEMS_SHOWN = 8;
export const PREFIXES_SHOWN = 100;
export const DENIED_SHOWN = 20;
export const EXPIRY_SHOWN = 20;
export const REJECTIONS_SHOWN = 50;
export const ISSUES_SHOWN = 5;
export const RULES_SHOWN = 300;
/** Of each phase. A rule with thousands of addresses is as many in the kernel. */
export const RULE_BOUNDS = { mostRules: RULES_SHOWN, mostCost: 2000 };
/** Lines of the kernel's listing that are taken apart for one attachment. */
export const LINES_READ = 8_000;
export const NODES_SHOWN = 200;
export const RULE_SETS_SHOWN = 200;
