/** A text without what stands, in any word of it, before an `@` that no digest can follow: it may be a user and a password. */
export function withoutCredentials(text: string): string {
  const masked = (word: string): string => {
    const at = word.lastIndexOf('@', word.lastIndexOf('/'));
    if (at === -1) return word;
    return `${/^[a-z][a-z0-9+.-]*:\/\//i.exec(word)?.[0] ?? ''}…${word.slice(at)}`;
  };
  return text.split(' ').map(masked).join(' ');
}
