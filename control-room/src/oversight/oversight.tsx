export function Oversight() { return <p />; }
