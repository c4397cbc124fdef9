// What a view reads when it opens, every so often, and soon after the board has told of something that it is about.
import { useEffect, useRef } from "./view.js";
import { onMessage } from "./live.js";
import { usePolled } from "./polled.js";

const GATHER_MS = 300;

// `isAbout(message, form)`: whether what was read last is to be read anew.
export function useHeard(read, isAbout, everyMs, key = "") {
  const polled = usePolled(read, everyMs, key);
  const latest = useRef();
  latest.current = { ...polled, isAbout };
  useEffect(() => {
    let timer = 0;
    const stop = onMessage((message) => {
      const { form } = latest.current;
      if (timer || !form || !(message.type === "gap" || latest.current.isAbout(message, form))) return;
      timer = setTimeout(() => { timer = 0; latest.current.again(); }, GATHER_MS);
    });
    return () => { stop(); clearTimeout(timer); };
  }, [key]);
  return polled;
}
