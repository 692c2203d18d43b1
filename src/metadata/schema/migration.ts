/** One step of the database's schema. Once released it never changes; what comes later is a step of its own. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}
