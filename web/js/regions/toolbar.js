/** Above the canvas: who draws, with what, and what is done with the chosen shape. */
import { make } from "../dom.js";
import { say } from "../words.js";
import { STARTS } from "./start_with.js";

const ICONS = {
    box: "M3 4h10v8H3z",
    ellipse: "M8 3.5a5.5 4.5 0 1 0 .01 0z",
    brush: "M2.5 13.5c2 0 3-.6 3-2.2A1.8 1.8 0 0 1 9 11c0 1.7-2.3 3-6.5 2.5zM8 9l5-6.5 1 1L8.5 9.5z",
    erase: "M6 13h7M3 9.5 8.5 4l4 4-5 5H5z",
    copy: "M3 3h7v7H3zM6 12.5h6.5V6",
    centre: "M8 2v12M2 8h12M8 5.5a2.5 2.5 0 1 0 .01 0z",
    top: "M8 13V4M4.5 7.5 8 4l3.5 3.5M3 2h10",
    remove: "M3.5 4.5h9M6.5 4.5V3h3v1.5M5 4.5l.5 8.5h5l.5-8.5",
    picture: "M2.5 3.5h11v9h-11zM2.5 11l3.5-4 3 3 2-1.5 2.5 2.5",
};

function iconButton(icon, help, attributes = {}) {
    const drawn = make("svg:svg", {viewBox: "0 0 16 16", "aria-hidden": "true"}, make("svg:path", {d: ICONS[icon]}));
    return make("button", {type: "button", title: help, "aria-label": help, ...attributes}, drawn);
}

/** One of several buttons is pressed: {button: chosen()}, and arrow keys go from one to the next. */
function row(label, buttons) {
    const element = make("div", {role: "radiogroup", "aria-label": label}, ...buttons);
    element.addEventListener("keydown", event => {
        const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
        const at = buttons.indexOf(document.activeElement);
        if (!by || at < 0) return;
        event.preventDefault();
        event.stopPropagation();
        const next = buttons[(at + by + buttons.length) % buttons.length];
        next.focus();
        next.click();
    });
    return element;
}

function press(button, isPressed) {
    button.setAttribute("aria-checked", isPressed);
    button.tabIndex = isPressed ? 0 : -1;
}

/** {element, show} */
export function toolbar(regions, stage) {
    const tools = {
        box: iconButton("box", say`Box: drag from corner to corner`, {role: "radio"}),
        ellipse: iconButton("ellipse", say`Ellipse: drag from corner to corner`, {role: "radio"}),
        brush: iconButton("brush", say`Brush`, {role: "radio"}),
        erase: iconButton("erase", say`Eraser: takes away from this expert's shapes`, {role: "radio"}),
    };
    const size = make("input", {type: "range", min: 0.01, max: 0.3, step: 0.01, title: say`Size of the brush`,
        "aria-label": say`Size of the brush`});
    const copy = iconButton("copy", say`Duplicate the chosen shape (D)`);
    const centre = iconButton("centre", say`Show its expert the picture with the chosen shape in the middle (C)`);
    const top = iconButton("top", say`Bring the chosen shape to the top (Page Up)`);
    const remove = iconButton("remove", say`Delete the chosen shape (Delete)`);
    const picture = iconButton("picture", say`Show the last picture underneath`);
    const start = make("select", {title: say`Start with`, "aria-label": say`Start with`},
        make("option", {value: ""}, say`Start with`), ...STARTS.map(({name}, i) => make("option", {value: i}, name())));
    const drawWith = row(say`Draw with`, Object.values(tools)), chips = make("div", {class: "mcdm-regions-chips"});
    const acts = make("div", {class: "mcdm-regions-tools"}, drawWith, size, copy, centre, top, remove, picture,
        start);
    let known;

    for (const [tool, button] of Object.entries(tools))
        button.addEventListener("click", () => {
            stage.tool = tool;
            show();
        });
    const acting = (button, act) => button.addEventListener("click", () => {
        act();
        regions.commit();
    });
    acting(copy, () => stage.duplicate());
    acting(centre, () => regions.centre());
    acting(top, () => regions.order(true));
    acting(remove, () => regions.remove());
    picture.addEventListener("click", () => {
        stage.showsPicture = !stage.showsPicture;
        stage.showPicture();
        show();
    });
    size.addEventListener("input", () => { stage.radius = Number(size.value); });
    start.addEventListener("change", () => {
        regions.start(STARTS[start.value].parts(regions.experts));
        regions.commit();
        start.value = "";
    });

    function chip({slot, name, color}) {
        const button = make("button", {type: "button", role: "radio", style: `--mcdm-color: ${color}`, title: name,
            "data-slot": slot}, make("i"), make("span", {}, name));
        button.addEventListener("click", () => regions.take(slot));
        return button;
    }

    function show() {
        const {experts, editable, shape} = regions, wanted = JSON.stringify(experts);
        if (wanted !== known) {
            known = wanted;
            chips.replaceChildren(row(say`Who draws`, experts.map(chip)));
        }
        const chosen = button => Number(button.dataset.slot) === regions.slot;
        for (const button of chips.querySelectorAll("button")) press(button, chosen(button));
        for (const [tool, button] of Object.entries(tools)) press(button, tool === stage.tool);
        const draws = stage.tool === "brush" || stage.tool === "erase";
        size.hidden = !draws;
        size.value = stage.radius;
        picture.setAttribute("aria-pressed", stage.showsPicture);
        for (const button of [copy, centre, top, remove]) button.disabled = !editable || !shape;
        centre.setAttribute("aria-pressed", regions.isCentred);
        start.disabled = !editable && !regions.error;
    }
    return {elements: [chips, acts], show};
}
