# One image for the four services, for arm64 (Raspberry Pi 5) and amd64; compose.yaml says which runs what.
# CAMERA=rpicam adds rpicam-vid and picamera2 out of Raspberry Pi's packages, for arm64 alone:
#   docker compose -f compose.yaml -f compose.rpicam.yaml up -d --build
ARG CAMERA=usb

FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
# onnxruntime-node brings the libraries of every platform, and only ours stays (node-av and canvas come as packages of
# one platform each); what describes the packages to compilers and debuggers is a tenth of the rest
RUN cd node_modules/onnxruntime-node/bin/napi-v6 \
  && rm -rf darwin win32 \
  && find linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' ')' -delete

# without npm and the headers, which a running robot does not need: 80 MB less, and less to attack
FROM debian:bookworm-slim AS camera-usb
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libstdc++6 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=modules /usr/local/bin/node /usr/local/bin/node

FROM camera-usb AS camera-rpicam
ADD https://archive.raspberrypi.com/debian/raspberrypi.gpg.key /etc/apt/keyrings/raspberrypi.asc
RUN chmod 644 /etc/apt/keyrings/raspberrypi.asc \
  && echo 'deb [signed-by=/etc/apt/keyrings/raspberrypi.asc] http://archive.raspberrypi.com/debian bookworm main' \
    > /etc/apt/sources.list.d/raspberrypi.list \
  && apt-get update \
  && apt-get install -y --no-install-recommends rpicam-apps-lite python3-picamera2 \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM camera-${CAMERA}
ENV NODE_ENV=production
# half the time of a start is compiling
ENV NODE_COMPILE_CACHE=/app/data/compile-cache
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
COPY main.ts config-schema.ts ./
RUN useradd --uid 1000 --user-group --no-create-home --shell /usr/sbin/nologin robot \
  && install -d -o robot -g robot -m 750 data
USER robot
VOLUME /app/data
ENTRYPOINT ["node"]
CMD ["main.ts", "--config", "configs/robot.yaml"]
