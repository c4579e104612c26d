/** The field in which the number of one expert is typed. */
import { make } from "../dom.js";
import { undoOrRedo } from "../host.js";
import { BIG_STEP, STEP, readNumber, toThousandth, withNumber } from "./numbers.js";
import { TERMS } from "./terms.js";

/** {element, show} for the number of expert i. A text field: one for numbers empties itself at a decimal comma. */
export function numberField(mix, i) {
    const field = make("input", {
        type: "text", inputmode: "decimal", role: "spinbutton", autocomplete: "off", spellcheck: false,
        "aria-label": TERMS[mix.meaning].one(mix.experts[i].label), "aria-valuemin": 0, "aria-valuemax": 1,
    });
    let before;             // the numbers before the first key of a number, so that 0.5 does not pass through 0

    const show = () => {
        const number = toThousandth(mix.numbers[i]);
        field.setAttribute("aria-valuenow", number);
        if (field === document.activeElement && before) return;         // do not write over what is being typed
        field.value = number;
        field.removeAttribute("aria-invalid");
    };
    const end = () => {
        before = undefined;
        mix.commit();
        show();
    };
    const step = by => {
        const {numbers} = mix;
        before = undefined;
        mix.set(withNumber(numbers, i, numbers[i] + by));
        show();
    };
    field.addEventListener("input", () => {
        before ??= mix.numbers;
        const number = readNumber(field.value);
        field.setAttribute("aria-invalid", number === undefined && field.value !== "");
        if (number !== undefined) mix.set(withNumber(before, i, number));
    });
    field.addEventListener("blur", end);
    field.addEventListener("focus", () => field.select());
    field.addEventListener("keydown", event => {
        const direction = {ArrowUp: 1, ArrowDown: -1}[event.key];
        const undo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key);
        if (direction) step(direction * (event.shiftKey ? BIG_STEP : STEP));
        else if (event.key === "Enter") {
            end();
            field.select();                                             // the next number is typed over this one
        } else if (event.key === "Escape") {
            if (before) mix.set(before);
            end();
        } else if (undo && !before) undoOrRedo(event);
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    field.addEventListener("keyup", () => before || mix.commit());
    return {element: field, show};
}
