/** The words of a catalogue that are kept apart: see `vite.config.ts`. */
declare module '*.json?apart' {
  const words: Record<string, string>
  export default words
}
