/**
 * The pack's workflows stand in the gallery in the order of their numbers; the host lists them as the disk does. Links
 * in their notes can be read.
 */
import { api } from "../../../scripts/api.js";
import { addStylesheet } from "./dom.js";

const folder = decodeURIComponent(new URL(import.meta.url).pathname.split("/extensions/")[1].split("/")[0]);
const known = api.getWorkflowTemplates;

addStylesheet("templates.css");

api.getWorkflowTemplates = async function (...values) {
    const found = await known.apply(this, values);
    found[folder]?.sort();
    return found;
};
