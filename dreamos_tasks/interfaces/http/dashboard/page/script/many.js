// The same for many, a few at a time: says for how many it was done, and why not for one of the others.
import { tell, tellTrouble } from "./notices.js";

const AT_ONCE = 6;

export async function doForAll(ids, act, words) {
  const left = [...ids];
  let done = 0, trouble = null;
  const work = async () => {
    for (let id = left.shift(); id; id = left.shift()) {
      try {
        await act(id);
        done += 1;
      } catch (error) {
        trouble = error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  tell(words(done));
  if (trouble) tellTrouble(trouble);
}
