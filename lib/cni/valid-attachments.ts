import { show } from "../policy/show.ts";
import { CNI_NAME } from "./environment.ts";
import { CNI_ERROR, CniError } from "./errors.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./json-object.ts";

export interface ValidAttachment {
  readonly containerId: string;
  readonly ifname: string;
}

/**
 * The attachments that GC must keep. An empty list is an answer: none is valid. A list that is absent, or has one
 * malformed entry, is none: taken for an empty or a shorter list it would cost running containers their rules.
 *
 * @throws {CniError} with code 7
 */
export function readValidAttachments(config: JsonObject): readonly ValidAttachment[] {
  const list = config[KEY];
  if (list === undefined) throw invalid(`${KEY} is missing, expected the list of attachments to keep`);
  if (!Array.isArray(list)) throw invalid(`${KEY} is not a list, expected the list of attachments to keep`);
  return list.map((entry: unknown, index) => {
    const path = `${KEY}[${index}]`;
    if (!isJsonObject(entry)) throw invalid(`${path} is not an object, expected { containerID, ifname }`);
    const { containerID: containerId, ifname } = entry;
    if (typeof containerId !== "string" || !CNI_NAME.test(containerId)) {
      throw invalid(`${path}.containerID is ${show(containerId)}, expected a container id`);
    }
    if (typeof ifname !== "string" || ifname === "") {
      throw invalid(`${path}.ifname is ${show(ifname)}, expected an interface name`);
    }
    return { containerId, ifname };
  });
}

const KEY = "cni.dev/valid-attachments";

function invalid(reason: string): CniError {
  return new CniError(`Cannot collect garbage: ${reason}`, { code: CNI_ERROR.invalidConfig });
}
