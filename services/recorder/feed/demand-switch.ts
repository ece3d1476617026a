interface DemandSwitchOptions {
  /** Subscribes and publishes the demand. */
  on(): Promise<Disposable>
  /** Withdraws the demand; the subscription is gone by then. */
  off(): Promise<void>
  onFailed(err: unknown): void
}

/** A subscription with its demand, which is switched on and off in order; the last wish holds. */
export class DemandSwitch implements AsyncDisposable {
  readonly #options: DemandSwitchOptions
  #wanted = false
  #working: Promise<void> = Promise.resolve()
  #subscription: Disposable | undefined

  constructor(options: DemandSwitchOptions) {
    this.#options = options
  }

  get wanted(): boolean {
    return this.#wanted
  }

  set wanted(wanted: boolean) {
    if (wanted === this.#wanted) return
    this.#wanted = wanted
    this.#working = this.#working.then(() => this.#apply()).catch((err) => this.#options.onFailed(err))
  }

  /** Withdraws the demand of an earlier run, which may have been killed. */
  async reset(): Promise<void> {
    this.#working = this.#working
      .then(() => (this.#subscription ? undefined : this.#options.off()))
      .catch((err) => this.#options.onFailed(err))
    await this.#working
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wanted = false
    await this.#working
  }

  async #apply(): Promise<void> {
    if (this.#wanted === (this.#subscription !== undefined)) return
    if (this.#wanted) {
      this.#subscription = await this.#options.on()
    } else {
      this.#subscription?.[Symbol.dispose]()
      this.#subscription = undefined
      await this.#options.off()
    }
  }
}
