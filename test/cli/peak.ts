// Runs the command in this process and tells the most memory it had, in bytes, as the last line of stderr.
import { main } from '../../src/cli/main.ts';

await main(process.argv.slice(2), process.env);
process.stderr.write(`peak ${process.resourceUsage().maxRSS * 1024}\n`);
