/** The cells of one node's sheet, over its picture: outlines, and buttons for keys and screen readers. */
import { app } from "../../../../scripts/app.js";
import { make } from "../dom.js";
import { canvasIsLocked, outputsOf } from "../host.js";
import { say } from "../words.js";
import { openLarge } from "./large.js";
import { isUnder, pictureOf } from "./place.js";

const OUTPUT = "mcdm_cells";
const ARROWS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};

/**
 * What other parts of the page do with cells: {fits(node), badge(node, number), click(node, number) in place of
 * opening it, buttons(node, number), ends(): inputs of the node that using a cell sets besides}.
 */
export const uses = [];

/** The cell with a number of a node's last run. What using it sets besides in that node is among its inputs. */
export function cellOf(node, number) {
    const text = outputsOf(node)?.[OUTPUT]?.[0], sheet = text && JSON.parse(text);
    const cell = sheet?.cells.find(cell => cell.number === number), ends = uses.find(use => use.fits(node))?.ends();
    if (!ends || !Object.keys(cell?.inputs ?? {}).length) return cell;
    return {...cell, inputs: {...cell.inputs, [sheet.node]: ends}};
}

export class Cells {
    #text;                                                              // what is shown
    #sheet;
    #picture;

    constructor(node) {
        this.node = node;
        this.element = make("div", {class: "mcdm-cells", role: "group", hidden: ""});
        app.canvas.canvas.parentElement.append(this.element);
        this.element.addEventListener("keydown", event => this.#press(event));
    }

    remove() {
        this.element.remove();
    }

    /** Follows the node's last run and the place of its picture; every frame. */
    follow() {
        const output = outputsOf(this.node), text = output?.[OUTPUT]?.[0];
        if (text !== this.#text) this.#build(text);
        const names = (output?.images ?? []).map(image => image.filename);
        this.#picture = text ? pictureOf(this.node, names) : undefined;
        this.element.hidden = !this.#picture;
        if (!this.#picture) return;
        const {left, top, width, height} = this.#picture.box, {style} = this.element;
        style.transform = `translate(${left}px, ${top}px)`;
        style.width = `${width}px`;
        style.height = `${height}px`;
        const {cells} = this.#sheet;
        for (const [i, button] of this.buttons.entries()) {
            const badge = this.#badge(cells[i].number);
            if (button.textContent !== badge) button.textContent = badge;       // most frames change none
        }
    }

    #use() {
        return uses.find(use => use.fits(this.node));
    }

    #badge(number) {
        return String(this.#use()?.badge(this.node, number) ?? "");
    }

    get buttons() {
        return [...this.element.children];
    }

    #build(text) {
        this.#text = text;
        app.canvas.setDirty(true, true);                                // where the picture is, its drawing tells
        this.#sheet = text ? JSON.parse(text) : undefined;
        const {cells = [], page: [width, height] = [1, 1]} = this.#sheet ?? {};
        this.element.setAttribute("aria-label", say`Cells of ${this.node.title}`);
        this.element.replaceChildren(...cells.map(({label, box, number}, i) => {
            const style = ["left", "top", "width", "height"].map((name, k) =>
                `${name}: ${100 * box[k] / [width, height][k % 2]}%`).join("; ");
            const title = label || say`Cell ${number}`;
            const button = make("button", {type: "button", style, "aria-label": title, tabindex: i ? -1 : 0});
            button.addEventListener("click", () => this.open(i));
            return button;
        }));
    }

    /** The number of the cell at a pointer, from 0; -1 where there is none. */
    at(event) {
        if (!this.#picture || canvasIsLocked() || !isUnder(event, this.node)) return -1;
        const {left, top, width} = this.#picture.box, scale = this.#sheet.page[0] / width;
        const x = (event.clientX - left) * scale, y = (event.clientY - top) * scale;
        return this.#sheet.cells.findIndex(({box}) =>
            x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3]);
    }

    hover(event) {
        const at = this.at(event);
        for (const [i, button] of this.buttons.entries()) button.classList.toggle("mcdm-over", i === at);
    }

    /** large: whether it is to open even where a click means something else. */
    click(i, large) {
        const use = this.#use();
        if (use && !large) use.click(this.node, this.#sheet.cells[i].number);
        else this.open(i);
    }

    open(i) {
        const {number} = this.#sheet.cells[i], more = this.#use()?.buttons(this.node, number);
        this.#focus(i);
        openLarge({cell: cellOf(this.node, number), source: this.#picture.source, back: this.buttons[i], more});
    }

    #focus(i) {
        for (const [k, button] of this.buttons.entries()) button.tabIndex = k === i ? 0 : -1;
        this.buttons[i].focus({preventScroll: true});
    }

    /** Arrows go to the next cell in that direction, past empty ones. */
    #press(event) {
        const by = ARROWS[event.key], now = this.buttons.indexOf(event.target);
        if (event.key === "Enter" || event.key === " ") event.stopPropagation();
        if (event.key === "Escape") event.target.blur();
        if (!by || now < 0) return;
        event.preventDefault();
        event.stopPropagation();
        const {cells} = this.#sheet, {row, column} = cells[now];
        const ahead = cells.map((cell, i) => ({i, away: (cell.row - row) * by[0] + (cell.column - column) * by[1],
            beside: Math.abs((cell.row - row) * by[1]) + Math.abs((cell.column - column) * by[0])}));
        const next = ahead.filter(({away, beside}) => away > 0 && !beside).sort((a, b) => a.away - b.away)[0];
        if (next) this.#focus(next.i);
    }
}
