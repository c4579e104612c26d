/** Pointer, touch and keys on a slider of any shape. */
import { canvasIsLocked } from "../host.js";
import { BIG_STEP, STEP } from "./numbers.js";

/** Calls follow(event) from the press of a pointer to its end, then end(); the pointer may leave the element. */
function drag(element, event, follow, end) {
    const mine = listener => e => e.pointerId === event.pointerId && listener(e);
    const stop = mine(() => {
        for (const [type, listener] of listeners) element.removeEventListener(type, listener);
        end();
    });
    const listeners = [["pointermove", mine(follow)]];
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) listeners.push([type, stop]);
    for (const [type, listener] of listeners) element.addEventListener(type, listener);
    element.setPointerCapture(event.pointerId);
    follow(event);
}

/**
 * Makes an element a slider of the reliabilities.
 * pointed(event, base): the shares where a pointer is, base being those before the drag.
 * keyed(key, step): the shares that a key leads to; undefined for a key that is not the slider's.
 */
export function grip(element, reliabilities, pointed, keyed) {
    element.tabIndex = 0;
    element.addEventListener("pointerdown", event => {
        if (event.button !== 0 || canvasIsLocked()) return;
        element.focus({preventScroll: true});
        event.preventDefault();
        const base = reliabilities.shares;
        drag(element, event, e => reliabilities.set(pointed(e, base)), () => reliabilities.commit());
    });
    element.addEventListener("keydown", event => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const big = event.shiftKey || event.key.startsWith("Page");
        const shares = keyed(event.key, big ? BIG_STEP : STEP);
        if (!shares) return;
        event.preventDefault();
        event.stopPropagation();
        reliabilities.set(shares);
    });
    for (const type of ["keyup", "blur"]) element.addEventListener(type, () => reliabilities.commit());
}
