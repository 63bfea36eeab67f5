#!/bin/sh
# Once, before the services of compose.yaml start: deploy the contract, make the DSO, invite two homes and make them.
set -eu
umask 077
cd /var/lib/petra
if [ -f prepared ]; then exit 0; fi
if [ -f dso.key ]; then echo "a preparation was cut off: docker compose down --volumes, and again" >&2; exit 2; fi

python -c "import secrets; print(secrets.token_hex(32))" > dso.key
petra deploy --rpc http://chain:8545 --dso-key dso.key --block-seconds 1 --timestep-seconds 60 --gate 1 --genesis-in 0
petra dso init --dir dso --deployment deployment.json --dso-key dso.key --block-seconds 1 \
    --database postgresql+psycopg://petra@database/petra --host 0.0.0.0 --public-host dso --first-port 5001
sed -i 's/^metrics_port = 0$/metrics_port = 9100/' dso/dso.toml

# Home 1 has the sun, home 2 the need.
printf 'timestep,produced_watts,consumed_watts\n0,3000,500\n1,2500,700\n' > day-1.csv
printf 'timestep,produced_watts,consumed_watts\n0,0,1500\n1,0,2000\n' > day-2.csv
for number in 1 2; do
    petra dso enrol "home $number" --dir dso --firm-import-watts 14500 --production-capacity-watts 9000 \
        --opening-balance-eur 20 --out "home-$number.json"
    petra prosumer init --dir "home-$number" --invitation "home-$number.json" --profile "day-$number.csv"
    rm "home-$number.json"
done
rm dso.key
touch prepared
