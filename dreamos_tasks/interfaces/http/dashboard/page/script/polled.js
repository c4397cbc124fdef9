// What no event tells: asked for when a view opens, and again every so often while it is in sight.
import { useEffect, useSignal } from "./view.js";
import { connection } from "./live.js";

export function usePolled(read, everyMs, key = "") {
  const form = useSignal(null);
  const trouble = useSignal(null);
  const isLive = connection.value.state === "live";
  useEffect(() => {
    let isOpen = true;
    const again = async () => {
      try {
        const given = await read();
        if (!isOpen) return;
        form.value = given;
        trouble.value = null;
      } catch (error) {
        if (isOpen && error.status) trouble.value = error;
      }
    };
    again();
    const timer = setInterval(() => { if (!document.hidden && isLive) again(); }, everyMs);
    return () => { isOpen = false; clearInterval(timer); };
  }, [key, isLive]);
  return { form: form.value, trouble: trouble.value, again: () => read().then((given) => { form.value = given; }).catch(() => {}) };
}
