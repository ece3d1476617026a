# One image for all services, for arm64 (Raspberry Pi 5) and amd64; compose.yaml says which runs what. BuildKit and the classic
# builder both build it. CAMERA=rpicam adds rpicam-vid and picamera2 from Raspberry Pi's packages, for arm64 only
# (compose.rpicam.yaml).
FROM node:24-trixie-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
# onnxruntime-node brings the libraries of every platform, and only ours stays (node-av comes as a package of one
# platform); what describes the packages to compilers and debuggers is a tenth of the rest
RUN cd node_modules/onnxruntime-node/bin/napi-v6 \
  && rm -rf darwin win32 \
  && find linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' ')' -delete

# without npm and the headers, which a running robot does not need: 80 MB less, and less to attack
FROM debian:trixie-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libstdc++6 alsa-utils \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=modules /usr/local/bin/node /usr/local/bin/node
# a condition instead of a stage of its own: the classic builder would build that stage for every camera
ARG CAMERA=usb
RUN if [ "$CAMERA" = rpicam ]; then \
    key=https://archive.raspberrypi.com/debian/raspberrypi.gpg.key \
    && install -d /etc/apt/keyrings \
    && node -e "fetch('$key').then((answer) => answer.ok ? answer.text() : process.exit(1)).then(console.log)" \
      > /etc/apt/keyrings/raspberrypi.asc \
    && echo 'deb [signed-by=/etc/apt/keyrings/raspberrypi.asc] http://archive.raspberrypi.com/debian trixie main' \
      > /etc/apt/sources.list.d/raspberrypi.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends rpicam-apps-lite python3-picamera2 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; \
  fi
ENV NODE_ENV=production
# half the time of a start is compiling
ENV NODE_COMPILE_CACHE=/app/data/compile-cache
# the owner's settings, mounted; prepare-settings.ts makes them from configs/ at the first start
ENV WIMZ_CONFIG=/etc/wimz/robot.yaml
# for lib/process/health.sh
ENV WIMZ_HEARTBEAT=/tmp/heartbeat
# Docker restarts after every exit: a bad config must not become a loop
ENV WIMZ_BAD_CONFIG=wait
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY package.json LICENSE THIRD_PARTY_NOTICES.md ./
COPY bus bus
COPY commands commands
COPY lib lib
COPY broker broker
COPY services services
COPY dev dev
COPY models models
COPY demo demo
COPY configs configs
COPY doctor doctor
COPY main.ts compact.ts config-schema.ts prepare-settings.ts ./
RUN useradd --uid 1000 --user-group --no-create-home --shell /usr/sbin/nologin robot \
  && install -d -o robot -g robot -m 750 data \
  && install -d /etc/wimz && install -m 644 configs/robot.yaml /etc/wimz/robot.yaml
USER robot
VOLUME /app/data
ENTRYPOINT ["node"]
CMD ["main.ts"]
