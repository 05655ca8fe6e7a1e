-- Who logs in to the fleet's database: its owner, and each region by a name of its own. The image of PostgreSQL runs this once, as
-- its superuser, in a new database; the passwords are variables of the container.
\getenv owner_password OWNER_PASSWORD
\getenv eu_password EU_PASSWORD
\getenv us_password US_PASSWORD
\getenv ap_password AP_PASSWORD

CREATE ROLE serinus_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE serinus_eu LOGIN PASSWORD :'eu_password';
CREATE ROLE serinus_us LOGIN PASSWORD :'us_password';
CREATE ROLE serinus_ap LOGIN PASSWORD :'ap_password';

-- Nobody else connects.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
ALTER DATABASE :"DBNAME" OWNER TO serinus_owner;

-- Regions act as the owner, since whoever starts first makes the tables.
GRANT serinus_owner TO serinus_eu, serinus_us, serinus_ap;
ALTER ROLE serinus_eu SET role TO serinus_owner;
ALTER ROLE serinus_us SET role TO serinus_owner;
ALTER ROLE serinus_ap SET role TO serinus_owner;
