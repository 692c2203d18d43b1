/** Text of others for a terminal: what would move its cursor, or turn the direction of writing, is written as `\u001b`, as in JSON. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As {@link visible}, line by line. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}
