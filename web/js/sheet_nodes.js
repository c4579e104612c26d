/** Nodes whose picture is a sheet of pictures, not a picture of the workflow's own. */
export const SHEET_NODES = ["BreedMixture", "CompareExperts", "MixtureReport", "ReliabilitySweep", "TuneMixture"];
