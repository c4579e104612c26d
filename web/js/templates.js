/** The pack's workflows stand in the gallery in the order of their numbers; the host lists them as the disk does. */
import { api } from "../../../scripts/api.js";

const folder = decodeURIComponent(new URL(import.meta.url).pathname.split("/extensions/")[1].split("/")[0]);
const known = api.getWorkflowTemplates;

api.getWorkflowTemplates = async function (...values) {
    const found = await known.apply(this, values);
    found[folder]?.sort();
    return found;
};
