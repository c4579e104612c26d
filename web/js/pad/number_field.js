/** The field in which the share of one expert is typed. */
import { make } from "../dom.js";
import { undoOrRedo } from "../host.js";
import { say } from "../words.js";
import { BIG_STEP, STEP, toThousandth, withShare } from "./numbers.js";

/** {element, show} for the share of expert i. */
export function numberField(reliabilities, i) {
    const name = say`Reliability of ${reliabilities.experts[i].label}`;
    const field = make("input", {type: "number", min: 0, max: 1, step: STEP, "aria-label": name});
    let before;             // the shares before the first key of a number, so that 0.5 does not pass through 0

    const show = () => {
        if (field === document.activeElement && before) return;         // do not write over what is being typed
        field.value = toThousandth(reliabilities.shares[i]);
    };
    const end = () => {
        before = undefined;
        reliabilities.commit();
        show();
    };
    field.addEventListener("input", () => {
        before ??= reliabilities.shares;
        if (field.value !== "") reliabilities.set(withShare(before, i, Number(field.value)));
    });
    field.addEventListener("change", end);
    field.addEventListener("focus", () => field.select());
    field.addEventListener("keydown", event => {
        const direction = {ArrowUp: 1, ArrowDown: -1}[event.key];
        const undo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key);
        if (direction) {
            const {shares} = reliabilities;
            const by = direction * (event.shiftKey ? BIG_STEP : STEP);
            reliabilities.set(withShare(shares, i, shares[i] + by));
        } else if (event.key === "Enter") end();
        else if (event.key === "Escape") {
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
