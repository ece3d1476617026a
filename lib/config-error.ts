/** The operator's mistake: printed without a stack, exit code 78 (EX_CONFIG of sysexits.h). */
export class ConfigError extends Error {
  override name = 'ConfigError'
  static readonly exitCode = 78
}
