// The control room: one page, in which people do what they may.

import { render } from "preact";
import { findOut } from "./session";
import { Shell } from "./shell";
import "./style.css";
import { language, speak } from "./words";

speak(language.value);
void findOut().finally(() => render(<Shell />, document.body));
