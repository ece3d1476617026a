import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parseDocument } from 'yaml'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { parseDockerfile } from './dockerfile.ts'
import { type Engine, importBases, startEngine } from './engine.ts'

/** A robot's folder with its settings made, and the image of this repository in an engine of the test's own. */
export interface DockerRobot {
  engine: Engine
  /** For whatever else the test writes; deleted after the test. */
  folder: string
  /** Where compose.yaml, .env and settings/ are. */
  robot: string
  /** Config of the robot: broker on `port`, video from the given source. */
  configFile: string
  port: number
  /** Runs docker-compose in the folder of the robot; returns its stdout. */
  compose(...args: string[]): Promise<string>
}

/** Prepares a robot, which ends with the test; no service runs yet. Returns the reason where no engine can be started. */
export async function prepareDockerRobot(
  t: TestContext,
  { files, source }: { files: string[]; source: object },
): Promise<DockerRobot | string> {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-docker-'))
  closeAfter(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const engine = await startEngine(t, folder)
  if (typeof engine === 'string') return engine
  await importBases(engine, parseDockerfile(readFileSync(join(PROJECT_ROOT, 'Dockerfile'), 'utf8')), folder)
  await engine.run('docker', ['build', '--network', 'host', '-t', 'wimz-robot:latest', PROJECT_ROOT])

  const robot = join(folder, 'robot')
  for (const name of ['compose.yaml', 'settings/.gitignore', ...files]) {
    cpSync(join(PROJECT_ROOT, name), join(robot, name), { recursive: true })
  }
  cpSync(join(PROJECT_ROOT, '.env.example'), join(robot, '.env'))
  const compose = (...args: string[]) => engine.run('docker-compose', args, { cwd: robot })
  closeAfter(t, () => compose('kill'))
  await compose('up', '--no-build', 'settings')
  const configFile = join(robot, 'settings/robot.yaml')
  const config = parseDocument(readFileSync(configFile, 'utf8'))
  const [port = 0] = await freePorts(1)
  config.setIn(['broker', 'port'], port)
  config.setIn(['bus', 'url'], `mqtt://127.0.0.1:${port}`)
  config.setIn(['vision', 'source'], source)
  writeFileSync(configFile, config.toString())
  return { engine, folder, robot, configFile, port, compose }
}
