export function People() { return <p />; }
