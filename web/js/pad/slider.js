/** A horizontal slider for the share of one expert. */
import { make } from "../dom.js";
import { grip } from "./grip.js";
import { toStep, toThousandth, withShare } from "./numbers.js";

/** {element, show} for the share of expert i; valueText() says where it stands. */
export function slider(reliabilities, i, {look, label, title, valueText}) {
    const element = make("div", {
        class: look, role: "slider", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label, title,
    }, make("b"));

    function pointed(event, base) {
        const box = element.getBoundingClientRect();
        return withShare(base, i, toStep((event.clientX - box.left) / box.width));
    }

    function keyed(key, step) {
        const {shares} = reliabilities;
        const to = value => withShare(shares, i, toThousandth(value));
        if (/^(ArrowRight|ArrowUp|PageUp)$/.test(key)) return to(shares[i] + step);
        if (/^(ArrowLeft|ArrowDown|PageDown)$/.test(key)) return to(shares[i] - step);
        if (key === "Home") return to(0);
        if (key === "End") return to(1);
    }

    function show() {
        const share = reliabilities.shares[i];
        element.style.setProperty("--mcdm-at", share);
        element.setAttribute("aria-valuenow", Math.round(share * 100));
        element.setAttribute("aria-valuetext", valueText());
    }

    grip(element, reliabilities, pointed, keyed);
    return {element, show};
}
