/** A cell of a sheet, large: its picture, its numbers, and what can be done with them. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { useCell, writeInputs } from "./write_inputs.js";

const shorter = number => String(Math.round(number * 1000) / 1000);

/** The part of a sheet that shows the cell. */
function picture(source, [left, top, width, height], label) {
    const canvas = make("canvas", {width, height, role: "img", "aria-label": label});
    const image = new Image();
    image.onload = () => canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
    image.src = source;
    return canvas;
}

/** Windows only where one is not the whole schedule. */
function table(experts) {
    const windows = experts.some(({start, end}) => start > 0 || end < 1);
    const head = [say`expert`, say`weight`, say`reliability`, say`share`, ...windows ? [say`window`] : []];
    const rows = experts.map(({name, weight, reliability, share, start, end}) => make("tr", {},
        make("th", {scope: "row"}, name), ...[weight, reliability, share].map(n => make("td", {}, shorter(n))),
        ...windows ? [make("td", {}, `${shorter(start)}\u2013${shorter(end)}`)] : []));
    const titles = head.map(title => make("th", {scope: "col"}, title));
    return make("table", {}, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...rows));
}

/**
 * Opens a cell in a dialog of the page, which Escape closes. back: the element that gets the focus then.
 * more: further buttons, [{label, act}].
 */
export function openLarge({cell, source, back, more = []}) {
    const label = cell.label || say`Cell ${cell.number}`, heading = make("h2", {}, label);
    const status = make("p", {role: "status"}, cell.troubles.join(" "));
    const close = make("button", {type: "button"}, say`Close`), buttons = make("div", {class: "mcdm-cell-buttons"});
    const dialog = make("dialog", {class: "mcdm-cell", "aria-label": label}, picture(source, cell.box, label),
        make("div", {class: "mcdm-cell-side"}, heading, table(cell.experts), status, buttons));
    const offer = (text, act) => {
        const button = make("button", {type: "button"}, text);
        button.addEventListener("click", () => {
            const troubles = act() ?? [];
            status.textContent = troubles.join(" ");
            if (!troubles.length) dialog.close();
        });
        buttons.append(button);
    };
    if (Object.keys(cell.inputs).length) offer(say`Use these`, () => useCell(cell));
    if (Object.keys(cell.around).length) offer(say`Sweep around this`, () => writeInputs(cell.around));
    for (const {label: text, act} of more) offer(text, act);
    buttons.append(close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", event => event.stopPropagation());       // none of the page's own keys
    dialog.addEventListener("pointerdown", event => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => {
        dialog.remove();
        if (back?.isConnected) back.focus({preventScroll: true});
    });
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}
