// Whether the window is as narrow as a phone's: then one column of the board is in sight, and names are short.
import { signal } from "./view.js";

const query = matchMedia("(max-width: 760px)");
export const isNarrow = signal(query.matches);
query.addEventListener("change", () => { isNarrow.value = query.matches; });
