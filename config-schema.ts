import { BrokerSection } from '#broker/config.ts'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { BusSection, DataDir, MetricsSection, WebrtcSection } from '#lib/config-schema.ts'
import { AudioSection } from '#services/audio/config.ts'
import { HomeAssistantSection } from '#services/home-assistant/config.ts'
import { RecorderSection } from '#services/recorder/config.ts'
import { CloudSection } from '#services/relay-bridge/config.ts'
import { SimulatorSection } from '#services/simulator/config.ts'
import { PrivacySection, VisionSection } from '#services/vision/config.ts'

/** The schema of a whole config file; each process reads only the sections that it needs. */
export const ALL_SECTIONS = {
  cloud: CloudSection,
  webrtc: WebrtcSection,
  vision: VisionSection,
  audio: AudioSection,
  recorder: RecorderSection,
  privacy: PrivacySection,
  bus: BusSection,
  broker: BrokerSection,
  local_relay: LocalRelaySection,
  metrics: MetricsSection,
  homeassistant: HomeAssistantSection,
  simulator: SimulatorSection,
  data_dir: DataDir,
}
