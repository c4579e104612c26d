/** The canvas of regions: the widget of ExpertRegions' input `regions`. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain } from "./host.js";
import { Editor, MARGIN } from "./regions/editor.js";
import { Regions } from "./regions/regions.js";
import { TextWidgets } from "./text_widget.js";

const canvases = new TextWidgets({
    comfyClass: "ExpertRegions", input: "regions", type: "mcdm_expert_regions", plain: "customtext",
    beside: ["rest", "feather", "overlap"], margin: MARGIN, hideOnZoom: false,
    make: (home, node, path, name) => new Editor(new Regions(home, node, path), name),
});

app.registerExtension({
    name: "mcdm.expert_regions",
    init() {
        addStylesheet("expert_regions.css");
        api.addEventListener("graphChanged", () => canvases.refresh());
        api.addEventListener("executed", () => canvases.editors().forEach(editor => editor.stage.showPicture()));
    },
    nodeCreated: node => canvases.nodeCreated(node),
    setup() {
        chain(app.canvas, "onDrawForeground", () => canvases.refresh());
    },
    afterConfigureGraph: () => canvases.afterConfigureGraph(),
});
