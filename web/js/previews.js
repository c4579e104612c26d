/** Under an MCDM Sampler, while it runs: what each expert alone thinks the picture is, and a bar of how much it pulls. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { COLORS, experts, origin } from "./experts.js";
import { say } from "./words.js";

const NODE = "MCDMSampler", SWITCH = "expert_previews", NAME = "expert_previews_strip", COLUMNS = 4, ROW = 100;

const STYLE = `
.mcdm-previews { display: grid; gap: 4px 8px; color: var(--input-text); font: 11px/1.3 sans-serif; overflow: hidden; }
.mcdm-previews figure { display: flex; flex-direction: column; gap: 2px; min-width: 0; min-height: 0; margin: 0; }
.mcdm-previews img { flex: 1 1 0; min-height: 0; width: 100%; object-fit: contain; background: var(--comfy-input-bg); border-radius: 4px; }
.mcdm-previews .silent img { opacity: 0.35; }
.mcdm-previews figcaption { display: flex; gap: 4px; white-space: nowrap; }
.mcdm-previews figcaption span { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.mcdm-previews [role=meter] { height: 5px; border-radius: 2px; background: var(--comfy-input-bg); overflow: hidden; }
.mcdm-previews [role=meter] div { height: 100%; background: var(--expert); }`;

/** One transparent pixel: what an expert shows that has not been asked. */
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
}

/** The node of an execution id: "5", or "12:5" inside the subgraph of node 12. */
function find(id) {
    const path = String(id).split(":"), last = path.pop();
    const graph = path.reduce((within, step) => within?.getNodeById(step)?.subgraph, app.rootGraph ?? app.graph);
    return graph?.getNodeById(last);
}

/** The colours of the slots on the mixer, where it is plain which mixer it is. */
function colors(node, count) {
    const mixer = origin(node, node.inputs.findIndex(input => input.name === "mixture"))?.node;
    const wired = mixer ? experts(mixer) : [];
    return Array.from({length: count}, (_, i) => (wired.length === count ? wired[i].color : COLORS[i % COLORS.length]));
}

/** A picture, a name and a bar; figure.show({pull, image}) fills it. */
function figure(name, color) {
    const image = element("img", {alt: say`What ${name} alone thinks the picture is`, src: NOTHING, draggable: false});
    const percent = element("b", {}), bar = element("div", {});
    const meter = element("div", {role: "meter", "aria-label": say`Pull of ${name}`, "aria-valuemin": 0, "aria-valuemax": 100}, bar);
    const made = element("figure", {title: name, style: `--expert: ${color}`},
        image, element("figcaption", {}, element("span", {}, name), percent), meter);
    made.show = expert => {
        if (expert.image) image.src = expert.image;
        made.classList.toggle("silent", !expert.image);     // not asked at this noise level: its last word stays, faded
        percent.textContent = bar.style.width = `${Math.round(100 * expert.pull)}%`;
        meter.setAttribute("aria-valuenow", (100 * expert.pull).toFixed(2));
    };
    return made;
}

/** The strip of a node, empty: it stays so, and takes no room, until something is sent. */
function add(node) {
    const strip = element("div", {class: "mcdm-previews", role: "group", "aria-label": say`What each expert alone thinks the picture is`});
    const height = () => Math.ceil(strip.childElementCount / COLUMNS) * ROW;
    const widget = node.addDOMWidget(NAME, "mcdm_previews", strip, {
        serialize: false, hideOnZoom: false,
        getMinHeight: () => height() && height() + 2 * widget.margin, getMaxHeight: () => (height() ? undefined : 0)});
    return Object.assign(widget, {serialize: false, hidden: true});
}

function show({node: id, prompt_id: run, experts: seen}) {
    const node = find(id), widget = node?.comfyClass === NODE && node.widgets.find(w => w.name === NAME);
    if (!widget) return;
    const strip = widget.element;
    if (strip.run !== run) {                                // another run: nothing of the last one stays
        const columns = Math.min(COLUMNS, seen.length), color = colors(node, seen.length);
        strip.run = run;
        strip.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
        strip.style.minHeight = `${Math.ceil(seen.length / columns) * ROW}px`;
        strip.replaceChildren(...seen.map((expert, i) => figure(expert.name, color[i])));
        widget.hidden = false;
    }
    seen.forEach((expert, i) => strip.children[i].show(expert));
    node.setDirtyCanvas(true, true);
}

/** Empties the strip, and gives back the height that it took. */
function clear(node) {
    const widget = node.widgets.find(w => w.name === NAME);
    if (widget.hidden) return;
    widget.hidden = true;
    widget.element.run = widget.element.style.minHeight = "";
    widget.element.replaceChildren();
    node.setSize([node.size[0], Math.max(node.computeSize()[1], node.size[1] - (widget.computedHeight ?? 0))]);
    node.setDirtyCanvas(true, true);
}

app.registerExtension({
    name: "mcdm.previews",
    setup() {
        document.head.append(element("style", {}, STYLE));
        api.addEventListener("mcdm.previews", ({detail}) => show(detail));
    },
    nodeCreated(node) {
        const toggle = node.comfyClass === NODE && node.widgets?.find(widget => widget.name === SWITCH);
        if (!toggle) return;
        add(node);
        const callback = toggle.callback;
        toggle.callback = function (value) {
            if (!value) clear(node);
            return callback?.apply(this, arguments);
        };
    },
});
