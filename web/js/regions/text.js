/**
 * The text of Expert Regions and its layers: [{who, shapes: [{kind, numbers, frames, crop, centred}]}], from the
 * bottom to the top.
 * mcdm/region_text.py reads the same, and says more about what is wrong.
 */
import { say } from "../words.js";

export const KINDS = {box: 4, ellipse: 4, brush: 0, erase: 0};          // how many numbers; 0: a radius, then points
const VIEWS = ["crop", "centred"];
const NUMBER = /^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i, FRAMES = /^@(\d+)-(\d+)$/;

function readNumber(word) {
    const number = NUMBER.test(word) ? Number(word) : NaN;
    if (!(number <= 1)) throw new RangeError(say`"${word}" is not a number from 0 to 1`);
    return number;
}

function isEmpty({kind, numbers: [a, b, c, d]}) {
    if (kind === "box") return a >= c || b >= d;
    return kind === "ellipse" ? !c || !d : !a || b === undefined;
}

function readShape(text) {
    const [kind, ...words] = text.split(/\s+/);
    if (!Object.hasOwn(KINDS, kind))
        throw new RangeError(say`"${kind}" is not a shape; these are ${Object.keys(KINDS).join(", ")}`);
    const plain = words.filter(word => !VIEWS.includes(word) && !word.startsWith("@"));
    const frames = words.filter(word => word.startsWith("@")).map(word => word.match(FRAMES)?.slice(1).map(Number));
    if (frames.length > 1 || frames.some(pair => !pair || pair[0] > pair[1]))
        throw new RangeError(say`"${text}" should have its frames once, such as @0-24`);
    const points = KINDS[kind] ? plain : plain.flatMap((word, i) => (i ? word.split(",") : [word]));
    const [crop, centred] = VIEWS.map(word => words.includes(word));
    const shape = {kind, numbers: points.map(readNumber), frames: frames[0], crop, centred};
    const whole = KINDS[kind] ? points.length === KINDS[kind] : points.length % 2 === 1;
    if (!whole || isEmpty(shape)) throw new RangeError(say`"${text}" is not a whole shape`);
    return shape;
}

/** The layers of a text. Throws RangeError with a sentence. */
export function read(text) {
    const layers = [];
    for (const [i, line] of text.split(/\r\n|\r|\n/).entries()) {
        if (!line.trim()) continue;
        const colon = line.lastIndexOf(":");
        try {
            if (colon < 0) throw new RangeError(say`an expert and a colon are missing`);
            const shapes = line.slice(colon + 1).split(";").map(shape => readShape(shape.trim()));
            layers.push({who: line.slice(0, colon).trim(), shapes});
        } catch (error) {
            throw new RangeError(say`Line ${i + 1}: ${error.message}.`);
        }
    }
    return layers;
}

const plainly = number => String(Math.round(Math.min(1, Math.max(0, number)) * 1000) / 1000);

function writeShape({kind, numbers, frames, crop, centred}) {
    const [first, ...rest] = numbers.map(plainly);
    const points = rest.flatMap((x, i) => (i % 2 ? [] : [`${x},${rest[i + 1]}`]));
    const words = [kind, first, ...(KINDS[kind] ? rest : points)];
    if (frames) words.push(`@${frames.join("-")}`);
    if (crop) words.push("crop");
    if (centred) words.push("centred");
    return words.join(" ");
}

/** The text of layers, a line each. */
export function write(layers) {
    const kept = layers.filter(({shapes}) => shapes.length && shapes[0].kind !== "erase");
    return kept.map(({who, shapes}) => `${who}: ${shapes.map(writeShape).join("; ")}`).join("\n");
}
