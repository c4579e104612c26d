/** The text itself, as files and prompts hold it. Typed, it moves the pad. */
import { make } from "../dom.js";
import { undoOrRedo } from "../host.js";
import { say } from "../words.js";

/** {element, show} */
export function textField(mix) {
    const field = make("input", {type: "text", autocomplete: "off", spellcheck: false, placeholder: say`All equal`});
    const name = make("span"), element = make("label", {class: "mcdm-pad-text"}, name, field);

    const write = () => {
        mix.type(field.value);
        mix.commit();
    };
    field.addEventListener("change", write);
    field.addEventListener("keydown", event => {
        const undo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key) && field.value === mix.text;
        if (event.key === "Enter") write();                             // before the page runs it, with Ctrl
        else if (event.key === "Escape") field.value = mix.text;
        else if (undo) {
            event.preventDefault();
            undoOrRedo(event);
        }
        if (!(event.ctrlKey || event.metaKey) || undo) event.stopPropagation();
    });
    return {
        element,
        show() {
            name.textContent = mix.widget.label ?? mix.widget.name;
            element.title = mix.text;
            if (field !== document.activeElement || field.value === element.dataset.shown) field.value = mix.text;
            element.dataset.shown = mix.text;
        },
    };
}
