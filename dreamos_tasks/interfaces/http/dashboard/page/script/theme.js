// Light or dark: as the system has it, until somebody chooses.
import { signal } from "./view.js";

const KEY = "dreamos-tasks.theme";
const ORDER = ["system", "light", "dark"];
export const theme = signal(ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "system");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
export const isDark = signal(false);

function apply() {
  const chosen = theme.value;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  isDark.value = chosen === "dark" || (chosen === "system" && systemIsDark.matches);
}

export function nextTheme() {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
  localStorage.setItem(KEY, theme.value);
  apply();
}

systemIsDark.addEventListener("change", apply);
apply();
