/** What the pad calls the numbers that it sets: reliabilities, or shares of the look. */
import { say } from "../words.js";
import { RELIABILITIES, SHARES } from "./numbers.js";

export const TERMS = {
    [RELIABILITIES]: {
        title: () => say`Whose null prediction counts`,
        group: () => say`Reliabilities`,
        one: name => say`Reliability of ${name}`,
        all: names => say`Reliabilities of ${names}`,
        print: ({shares}) => shares && say`shares ${listed(shares)}`,
        turn: () => say`To shares`,
        hatched: () => say`Hatched: here one look burns and another vanishes`,
        linked: () => say`The reliabilities come in through a wire; the pad cannot know or set them.`,
        none: () => say`Connect experts: the pad then sets how much each one's null prediction counts.`,
        single: name => say`One expert, '${name}': only its null prediction counts. Connect another to share.`,
    },
    [SHARES]: {
        title: () => say`Whose look the picture has`,
        group: () => say`Shares`,
        one: name => say`Share of ${name}`,
        all: names => say`Shares of ${names}`,
        print: ({reliabilities}) => reliabilities && say`reliabilities ${listed(reliabilities)}`,
        turn: () => say`To reliabilities`,
        hatched: () => say`Hatched: shares that these weights do not reach`,
        linked: () => say`The shares come in through a wire; the pad cannot know or set them.`,
        none: () => say`Connect experts: the pad then sets whose look the picture has.`,
        single: name => say`One expert, '${name}': the look is all its own. Connect another to share.`,
    },
};

/** "0.25, 0.75" */
export function listed(numbers) {
    return numbers.map(number => Math.round(number * 1000) / 1000 || 0).join(", ");
}
