/**
 * Where an advanced field of a file holds something else than its default, the node shows them. Elsewhere the newer
 * canvas keeps no room for them.
 */
import { app } from "../../../scripts/app.js";
import { isOurs, vueNodes } from "./host.js";

const ROW = 24;                                                         // pixels that a node reckons for a field

/** The advanced fields of a node, {name: default}. */
function advanced({constructor: {nodeData}}) {
    const {required, optional} = nodeData?.input ?? {};
    const fields = Object.entries({...required, ...optional}).filter(([, [, options]]) => options?.advanced);
    return Object.fromEntries(fields.map(([name, [, options]]) => [name, options.default]));
}

app.registerExtension({
    name: "mcdm.advanced",
    loadedGraphNode(node) {
        if (!isOurs(node)) return;
        const defaults = advanced(node), fields = (node.widgets ?? []).filter(({name}) => name in defaults);
        if (fields.some(({name, value}) => value !== defaults[name])) node.showAdvanced = true;
        const [width, height] = node.size, isLeast = height <= node.computeSize()[1];
        if (vueNodes() && isLeast && !node.showAdvanced) node.setSize([width, height - ROW * fields.length]);
    },
});
