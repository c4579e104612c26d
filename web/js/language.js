/**
 * What the nodes know only in English is shown in the page's language: their sentences, before anything else in the
 * page hears of them, and the words of their choices. Files and prompts keep the English.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { isOurs, onRefusal } from "./host.js";
import { translated } from "./words.js";

const FIRST = {capture: true};                                          // before the page's own listeners
const CHOICES = ["meaning", "curve", "keep", "x_vary", "y_vary"];       // inputs whose words are the pack's

api.addEventListener("execution_error", ({detail}) => {
    detail.exception_message = translated(detail.exception_message);
}, FIRST);
api.addEventListener("progress_text", ({detail}) => {
    detail.text = translated(detail.text);
}, FIRST);
api.addEventListener("executed", ({detail: {output}}) => {
    for (const kind of ["text", "warning"])
        if (Array.isArray(output?.[kind])) output[kind] = output[kind].map(translated);
}, FIRST);

/** The host's details are "input - sentence". */
onRefusal(error => {
    const [input, ...rest] = (error.details ?? "").split(" - ");
    if (rest.length) error.details = `${input} - ${translated(rest.join(" - "))}`;
});

app.registerExtension({
    name: "mcdm.language",
    nodeCreated(node) {
        if (!isOurs(node)) return;
        for (const widget of node.widgets ?? [])
            if (CHOICES.includes(widget.name)) widget.options.getOptionLabel = translated;
    },
});
