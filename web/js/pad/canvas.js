/** How an element on a node shares pointer and wheel with the canvas beneath it. */
import { app } from "../../../../scripts/app.js";
import { canvasIsLocked, vueNodes } from "../host.js";

const PASSED_ON = {pointerdown: "processMouseDown", pointermove: "processMouseMove", pointerup: "processMouseUp"};
const MIDDLE_BUTTON = 1, MIDDLE_BUTTON_HELD = 4;

/** The newer canvas would drag the node with what is pressed here: clicks and drags end at the element. */
function keepOwnDrags(element) {
    let held;
    const release = () => { held = undefined; };
    element.addEventListener("pointerdown", event => {
        if (event.button !== 0 || canvasIsLocked()) return;
        event.stopPropagation();
        held = event.pointerId;
        for (const type of ["pointerup", "pointercancel"])
            window.addEventListener(type, release, {capture: true, once: true});
    });
    element.addEventListener("pointermove", event => {
        if (event.pointerId === held) event.stopPropagation();
    });
}

/** On the classic canvas, wheel and middle button move it through the element; the newer one sees to that itself. */
function passOn(element) {
    for (const [type, process] of Object.entries(PASSED_ON))
        element.addEventListener(type, event => {
            const middle = event.button === MIDDLE_BUTTON || event.buttons & MIDDLE_BUTTON_HELD;
            if (middle && !vueNodes()) app.canvas[process](event);
        });
    element.addEventListener("wheel", event => {
        if (vueNodes()) return;
        event.preventDefault();
        app.canvas.processMouseWheel(event);
    }, {passive: false});
}

export function shareWithCanvas(element) {
    keepOwnDrags(element);
    passOn(element);
}
