/** The text itself, as files and prompts hold it. Typed, it changes what the canvas shows. */
import { make } from "../dom.js";
import { undoOrRedo } from "../host.js";

const EXAMPLE = "1: box 0 0 0.5 1";

/** {element, show} */
export function textArea(regions) {
    const field = make("textarea", {rows: 3, autocomplete: "off", spellcheck: false, placeholder: EXAMPLE});
    let typed = false;

    field.addEventListener("input", () => {
        typed = true;
        regions.type(field.value);
    });
    field.addEventListener("change", () => {
        typed = false;
        regions.commit();
    });
    field.addEventListener("keydown", event => {
        const held = event.ctrlKey || event.metaKey, undo = held && /^[zy]$/i.test(event.key) && !typed;
        if (held && event.key === "Enter") regions.commit();            // before the page runs it
        if (undo) {
            event.preventDefault();
            undoOrRedo(event);
        }
        if (!held || undo) event.stopPropagation();
    });
    field.addEventListener("wheel", event => field.scrollHeight > field.clientHeight && event.stopPropagation());
    return {
        element: field,
        show() {
            field.setAttribute("aria-label", regions.widget.label ?? regions.widget.name);
            field.readOnly = regions.linked;
            if (field.value !== regions.text) field.value = regions.text;
        },
    };
}
