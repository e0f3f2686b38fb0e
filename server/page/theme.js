// Light and dark: as the system has it, until the button is pressed.

const PREFERENCE = "keben.theme";
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

const chosen = () => document.documentElement.dataset.theme ?? (systemIsDark.matches ? "dark" : "light");

export function followTheme(button) {
  const before = localStorage.getItem(PREFERENCE);
  if (before === "dark" || before === "light") document.documentElement.dataset.theme = before;
  button.onclick = () => {
    const next = chosen() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem(PREFERENCE, next);
  };
}
