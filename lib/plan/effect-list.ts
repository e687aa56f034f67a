import type { AffectedMember } from "./affected.ts";
import { countAttachments } from "./attached.ts";
import type { EffectView } from "./effect-view.ts";
import { groupDeviations, type Deviation } from "./out-of-step.ts";
import type { Effect } from "./plan.ts";

export interface LocatedMember {
  readonly member: AffectedMember;
  /** Of its node, from rule sets for it. */
  readonly deviations: readonly Deviation[];
}

/** Brings together attachments that a change does the same to. */
export class EffectList {
  readonly #key: string;
  readonly #byText = new Map<string, { readonly view: EffectView; readonly members: LocatedMember[] }>();

  /** `key`: of the planned rule set. */
  constructor(key: string) {
    this.#key = key;
  }

  add(view: EffectView, members: readonly LocatedMember[]): void {
    const byDeviations = Map.groupBy(members, ({ deviations }) => toKind(deviations));
    for (const alike of byDeviations.values()) {
      const unsure = alike.flatMap(({ deviations }) => deviations.filter(isUnsure));
      const limited = limit(view, { isUnsure: unsure.length > 0, isOwn: unsure.some(({ key }) => key === this.#key) });
      const text = JSON.stringify([limited, toKind(alike[0]?.deviations ?? [])]);
      const known = this.#byText.get(text);
      if (known) known.members.push(...alike);
      else this.#byText.set(text, { view: limited, members: [...alike] });
    }
  }

  /** The most attachments first. */
  list(): readonly Effect[] {
    return [...this.#byText.values()]
      .map(({ view, members }) => ({
        members: members.map(({ member }) => member),
        ...view,
        outOfStep: groupDeviations(
          members.flatMap(({ member: { node }, deviations }) => deviations.map((deviation) => ({ node, deviation }))),
        ),
      }))
      .toSorted((a, b) => countAttachments(b.members) - countAttachments(a.members));
  }
}

/** Which version it is makes no other effect. */
function toKind(deviations: readonly Deviation[]): string {
  return JSON.stringify(deviations.map(({ key, comparedWith }) => [key, comparedWith]));
}

function isUnsure({ comparedWith }: Deviation): boolean {
  return comparedWith !== "in-force";
}

/** A version of the rule set itself that is not known may decide what one of its rules is said to have no part in. */
function limit(view: EffectView, { isUnsure, isOwn }: { readonly isUnsure: boolean; readonly isOwn: boolean }) {
  return { ...view, idle: isOwn ? [] : view.idle, isComplete: view.isComplete && !isUnsure };
}
