/** The cells of a sheet can be clicked: each opens large, with its numbers, and can be used or swept around. */
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { isOurs, keepIn } from "./host.js";
import { Cells } from "./sheet/cells.js";
import { watchDrawing } from "./sheet/place.js";

const STILL = 4;                                                        // pixels: a pointer that moves more drags

const sheets = new Map();                                               // node in a graph -> its cells
let pressed;                                                            // {x, y} of the pointer that is down

function follow() {
    for (const cells of sheets.values()) cells.follow();
    requestAnimationFrame(follow);
}

function release(event) {
    const start = pressed;
    pressed = undefined;
    const moved = start && Math.hypot(event.clientX - start.x, event.clientY - start.y);
    if (!start || moved > STILL || event.button !== 0) return;
    for (const cells of sheets.values()) {
        const at = cells.at(event);
        // The page ends its own click first, by which it takes the focus.
        if (at >= 0) return void setTimeout(() => cells.click(at, event.shiftKey));
    }
}

app.registerExtension({
    name: "mcdm.clickable_sheets",
    setup() {
        addStylesheet("clickable_sheets.css");
        watchDrawing(() => [...sheets.keys()]);
        const plain = event => event.button === 0 && !event.ctrlKey && !event.metaKey;
        const capture = {capture: true};                                // the canvas keeps them to itself
        window.addEventListener("pointerdown", event => {
            pressed = plain(event) ? {x: event.clientX, y: event.clientY} : undefined;
        }, capture);
        window.addEventListener("pointerup", release, capture);
        window.addEventListener("pointermove", event => {
            for (const cells of sheets.values()) cells.hover(event);
        }, capture);
        requestAnimationFrame(follow);
    },
    nodeCreated(node) {
        if (!isOurs(node) || !node.constructor.nodeData?.output?.includes("STRING")) return;
        const names = node.constructor.nodeData.output_name ?? [];
        if (!names.includes("sheet")) return;
        keepIn({
            add: () => sheets.has(node) || sheets.set(node, new Cells(node)),
            delete: () => {
                sheets.get(node)?.remove();
                sheets.delete(node);
            },
        }, node);
    },
});
