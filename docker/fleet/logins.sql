-- Who logs in to the fleet's database, with the rights that roles.sql gives: who makes the tables, and each region by a name of its own.
-- The image of PostgreSQL runs this once, as its superuser, in a new database; the passwords are variables of the container.
\getenv owner_password OWNER_PASSWORD
\getenv eu_password EU_PASSWORD
\getenv us_password US_PASSWORD
\getenv ap_password AP_PASSWORD

CREATE ROLE serinus_owner LOGIN PASSWORD :'owner_password' IN ROLE serinus_migrate;
CREATE ROLE serinus_eu LOGIN PASSWORD :'eu_password' IN ROLE serinus_run;
CREATE ROLE serinus_us LOGIN PASSWORD :'us_password' IN ROLE serinus_run;
CREATE ROLE serinus_ap LOGIN PASSWORD :'ap_password' IN ROLE serinus_run;

-- Nobody else connects.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
