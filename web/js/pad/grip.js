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
 * Makes an element a slider of the numbers.
 * pointed(event, base): the numbers where a pointer is, base being those before the drag.
 * keyed(key, step): the numbers that a key leads to; undefined for a key that is not the slider's.
 */
export function grip(element, mix, pointed, keyed) {
    element.tabIndex = 0;
    element.addEventListener("pointerdown", event => {
        if (event.button !== 0 || canvasIsLocked()) return;
        element.focus({preventScroll: true});
        event.preventDefault();
        const base = mix.numbers;
        drag(element, event, e => mix.set(pointed(e, base)), () => mix.commit());
    });
    element.addEventListener("keydown", event => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const big = event.shiftKey || event.key.startsWith("Page");
        const numbers = keyed(event.key, big ? BIG_STEP : STEP);
        if (!numbers) return;
        event.preventDefault();
        event.stopPropagation();
        mix.set(numbers);
    });
    for (const type of ["keyup", "blur"]) element.addEventListener(type, () => mix.commit());
}
