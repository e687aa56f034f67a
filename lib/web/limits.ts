/** How much of a list a page shows: a page is read by a person, and made while the watcher has other things to do. */
export const ATTACHMENTS_A_PAGE = 50;
export const DENIED_SHOWN = 20;
export const EXPIRY_SHOWN = 20;
export const REJECTIONS_SHOWN = 50;
export const ISSUES_SHOWN = 5;
/** Of one phase. */
export const RULES_SHOWN = 300;
export const NODES_SHOWN = 200;
export const RULE_SETS_SHOWN = 200;
