/** The field in which the share of one expert is typed. */
import { make } from "../dom.js";
import { undoOrRedo } from "../host.js";
import { say } from "../words.js";
import { BIG_STEP, STEP, readShare, toThousandth, withShare } from "./numbers.js";

/** {element, show} for the share of expert i. A text field: one for numbers empties itself at a decimal comma. */
export function numberField(reliabilities, i) {
    const field = make("input", {
        type: "text", inputmode: "decimal", role: "spinbutton", autocomplete: "off", spellcheck: false,
        "aria-label": say`Reliability of ${reliabilities.experts[i].label}`, "aria-valuemin": 0, "aria-valuemax": 1,
    });
    let before;             // the shares before the first key of a number, so that 0.5 does not pass through 0

    const show = () => {
        const share = toThousandth(reliabilities.shares[i]);
        field.setAttribute("aria-valuenow", share);
        if (field === document.activeElement && before) return;         // do not write over what is being typed
        field.value = share;
        field.removeAttribute("aria-invalid");
    };
    const end = () => {
        before = undefined;
        reliabilities.commit();
        show();
    };
    const step = by => {
        const {shares} = reliabilities;
        before = undefined;
        reliabilities.set(withShare(shares, i, shares[i] + by));
        show();
    };
    field.addEventListener("input", () => {
        before ??= reliabilities.shares;
        const share = readShare(field.value);
        field.setAttribute("aria-invalid", share === undefined && field.value !== "");
        if (share !== undefined) reliabilities.set(withShare(before, i, share));
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
            if (before) reliabilities.set(before);
            end();
        } else if (undo && !before) undoOrRedo(event);
        else return;
        event.preventDefault();
        event.stopPropagation();
    });
    field.addEventListener("keyup", () => before || reliabilities.commit());
    return {element: field, show};
}
