export function Engineering() { return <p />; }
